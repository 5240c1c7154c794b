"""The link between an accelerator and a host: see docs/link.md."""
