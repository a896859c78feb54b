# Beside the development server's own listener, which speaks plain HTTP and stays inside its container.
listener "tcp" {
  address       = "0.0.0.0:8443"
  tls_cert_file = "/run/tls/vault.pem"
  tls_key_file  = "/run/tls/vault.key"
}
