"""The pages of governance, a module for each thing they are about."""
