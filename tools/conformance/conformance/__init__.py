"""Drives any client through the behaviours that ``proto-spec/behaviours.md`` names."""
