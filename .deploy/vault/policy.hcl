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

# Used with VAULT_TRANSIT_CODE_KEY=signature-codes.
path "transit/keys/signature-codes" {
  capabilities = ["read"]
}

path "transit/hmac/signature-codes/sha2-256" {
  capabilities = ["update"]
}
