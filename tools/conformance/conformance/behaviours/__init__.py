"""The behaviours, by subject. Importing this package registers all of them."""

from . import moving, opening, repeating, streaming, transactions, values

__all__ = ["moving", "opening", "repeating", "streaming", "transactions", "values"]
