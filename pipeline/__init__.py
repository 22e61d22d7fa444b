"""Streamledger: chunk streams of LLM gateways into billing-grade records."""
