path "secret/data/providers/twilio" {
  capabilities = ["read"]
}

path "secret/data/signature-router/keys" {
  capabilities = ["read"]
}
