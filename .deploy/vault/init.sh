#!/bin/sh
# Gives a fresh development server, which keeps all in memory, the secrets and the role that reads them. Run again,
# it writes both secrets anew: the service takes up what changed.
set -eu
vault kv put -mount=secret providers/twilio @/run/secrets/twilio.json
vault kv put -mount=secret signature-router/keys @/run/secrets/keys.json
vault policy write signature-router /run/policy.hcl
if ! vault secrets list | grep -q '^transit/'; then
  vault secrets enable transit
  vault write -f transit/keys/signature-receipts type=ed25519
  vault write -f transit/keys/signature-codes type=hmac key_size=32
fi
if vault auth list | grep -q '^approle/'; then
  exit
fi
vault auth enable approle
vault write auth/approle/role/signature-router token_policies=signature-router token_ttl=1h token_max_ttl=24h
vault write auth/approle/role/signature-router/role-id role_id="$VAULT_ROLE_ID"
vault write auth/approle/role/signature-router/custom-secret-id secret_id="$VAULT_SECRET_ID" > /dev/null
