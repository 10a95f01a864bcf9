"""Small papers that are true or false by construction, to test the ledger with."""
