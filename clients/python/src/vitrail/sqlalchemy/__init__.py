"""SQLAlchemy dialects: ``vitrail://`` over PEP 249, ``vitrail+aio://`` over asyncio.

SQLAlchemy finds them by their entry points; nothing else of this package imports them, or SQLAlchemy.
"""
