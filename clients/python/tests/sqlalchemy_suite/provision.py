"""What SQLAlchemy's suite asks of a database before and between its tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing.provision import delete_from_all_tables, generate_driver_url, temp_table_keyword_args


@generate_driver_url.for_db("vitrail")  # type: ignore[untyped-decorator]
def _url_of_a_driver(url: Any, driver: str, query: str) -> Any:  # noqa: ARG001
    """The URL as it is: each of the two dialects has one driver."""
    return url.update_query_string(query)


@temp_table_keyword_args.for_db("vitrail")  # type: ignore[untyped-decorator]
def _words_of_a_temporary_table(config: Any, engine: Any) -> dict[str, list[str]]:  # noqa: ARG001
    """What CREATE TABLE says of a temporary table."""
    return {"prefixes": ["TEMPORARY"]}


@delete_from_all_tables.for_db("vitrail")  # type: ignore[untyped-decorator]
def _delete_all_rows(connection: Any, config: Any, metadata: Any) -> None:
    """Empties all tables, in whatever order they refer to each other."""
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    try:
        delete_from_all_tables.call_original(connection, config, metadata)
    finally:
        connection.exec_driver_sql("SET foreign_key_checks = 1")
