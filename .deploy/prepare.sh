#!/bin/sh
# Makes, once, the secrets that .deploy/compose.yaml runs with: .deploy/.env and .deploy/local. Needs openssl.
# What is there already stays; remove both, and `docker compose down --volumes`, to begin anew.
set -eu
cd "$(dirname "$0")"
if [ -e local/twilio.json ]; then
  echo "prepared before: nothing changed"
  exit
fi
umask 022
mkdir -p local/tls
# openssl tells what it does on stderr: shown only where something fails.
trap '[ $? -eq 0 ] || cat local/openssl.log >&2' EXIT
# Containers read the files as users of their own; on this machine nobody else gets past the folder.
chmod 700 local

# certificate NAME SUBJECT-ALTERNATIVE-NAMES
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "local/tls/$1.key" -out "local/$1.csr"
  echo "subjectAltName=$2" > "local/$1.ext"
  openssl x509 -req -in "local/$1.csr" -extfile "local/$1.ext" -days 365 -out "local/tls/$1.pem" \
    -CA local/tls/ca.pem -CAkey local/ca.key -CAcreateserial
  rm "local/$1.csr" "local/$1.ext"
}

certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=signature-router local" \
    -days 365 -keyout local/ca.key -out local/tls/ca.pem
  certificate router DNS:router,DNS:localhost,IP:127.0.0.1
  certificate vault DNS:vault
  certificate payments DNS:payments.bank
  chmod 644 local/tls/*
}
certificates 2> local/openssl.log

key() { openssl rand -base64 32; }
cat > local/keys.json << EOF
{
  "code-pepper": { "primary": "c1", "keys": { "c1": "$(key)" } },
  "phone-seal": { "primary": "p1", "keys": { "p1": "$(key)" } },
  "pseudonym": { "primary": "p1", "keys": { "p1": "$(key)" } },
  "evidence": { "primary": "e1", "keys": { "e1": "$(key)" } },
  "receipt": { "primary": "r1", "keys": { "r1": "$(key)" } }
}
EOF

password() { openssl rand -hex 24; }
(
  umask 077
  cat > .env << EOF
POSTGRES_PASSWORD=$(password)
MIGRATOR_PASSWORD=$(password)
RUNTIME_PASSWORD=$(password)
VAULT_ROOT_TOKEN=$(password)
VAULT_ROLE_ID=$(password)
VAULT_SECRET_ID=$(password)
GRAFANA_PASSWORD=$(password)
EOF
)

# An account that only Twilio's double knows; see compose.yaml for Twilio itself.
cat > local/twilio.json << EOF
{
  "account-sid": "AC$(openssl rand -hex 16)",
  "auth-token": "$(openssl rand -hex 16)",
  "from-number": "+34910000000"
}
EOF
echo "prepared .deploy/.env and .deploy/local"
