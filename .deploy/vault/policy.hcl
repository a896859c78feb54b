path "secret/data/providers/twilio" {
  capabilities = ["read"]
}

path "secret/data/signature-router/keys" {
  capabilities = ["read"]
}

# Used with VAULT_TRANSIT_RECEIPT_KEY=signature-receipts.
path "transit/keys/signature-receipts" {
  capabilities = ["read"]
}

path "transit/sign/signature-receipts" {
  capabilities = ["update"]
}
