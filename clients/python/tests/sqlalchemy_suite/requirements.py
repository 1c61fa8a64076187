"""What SQLAlchemy's suite may expect, where it differs from the suite's own assumptions.

Everything that SQLAlchemy runs against MariaDB or MySQL over its own drivers is asked of Vitrail as well, but for what
:mod:`exclusions` lists.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements
from sqlalchemy_suite.exclusions import REQUIREMENTS, REQUIREMENTS_OVER_SHARDS

#: What MariaDB and MySQL do, and the suite does not take for granted.
PRESENT = """
aggregate_order_by autocommit boolean_col_expressions cast_precision_numerics_many_significant_digits
check_constraint_reflection comment_reflection computed_columns computed_columns_reflect_persisted computed_columns_stored
computed_columns_virtual create_or_replace_view create_table_as create_temp_table_as cross_schema_fk_reflection ctes
ctes_with_values date_historic datetime_historic datetime_literals dbapi_lastrowid emulated_lastrowid
emulated_lastrowid_even_with_sequences except_ expression_server_defaults fetch_first fetch_no_order_by
fetch_offset_with_options fetch_ties fk_constraint_option_reflection_ondelete_noaction foreign_key_constraint_name_reflection
foreign_key_constraint_option_reflection_ondelete foreign_key_constraint_option_reflection_onupdate
foreign_keys_reflect_as_index has_temp_table index_ddl_if_exists indexes_check_column_order intersect isolation_level
json_array_indexes json_type legacy_unconditional_json_extract mod_operator_as_percent_sign nvarchar_types order_by_collation
order_by_label_with_expression percent_schema_names precision_numerics_enotation_small
precision_numerics_many_significant_digits precision_numerics_retains_significant_digits reflect_table_options regexp_match
regexp_replace savepoints schema_create_delete server_defaults skip_autocommit_rollback supports_bitwise_and supports_bitwise_or
supports_bitwise_shift supports_bitwise_xor table_ddl_if_exists temp_table_comment_reflection tuple_in tuple_in_w_empty
unicode_ddl unique_constraints_reflect_as_index unique_index_reflect_as_unique_constraints update_from uuid_data_type
view_column_reflection view_reflection views window_functions window_range window_range_numeric
""".split()  # noqa: SIM905  # it reads better as text

#: What neither MariaDB nor MySQL has: not run.
ABSENT = {
    "datetime_microseconds": "DATETIME has whole seconds unless it is told otherwise",
    "time_microseconds": "TIME has whole seconds unless it is told otherwise",
    "fetch_expression": "FETCH takes numbers only",
    "unbounded_varchar": "VARCHAR has a length",
}
_NO_FETCH = "MySQL has LIMIT only"

#: What MySQL has not beyond that.
ABSENT_FROM_MYSQL = {
    "cast_precision_numerics_many_significant_digits": "MySQL's JSON has doubles",
    "ctes_with_values": "MySQL's VALUES needs ROW",
    "fetch_first": _NO_FETCH,
    "fetch_no_order_by": _NO_FETCH,
    "fetch_offset_with_options": _NO_FETCH,
    "fetch_ties": _NO_FETCH,
    "index_ddl_if_exists": "MySQL's CREATE INDEX has no IF NOT EXISTS",
    "uuid_data_type": "MySQL has no type for a UUID",
}

#: What fails in both over SQLAlchemy's own drivers, and has to fail here as well.
FAILING = {
    "date_implicit_bound": "a date that is selected comes as text",
    "datetime_implicit_bound": "a date and time that is selected comes as text",
    "time_implicit_bound": "a time that is selected comes as text",
    "infinity_floats": "DOUBLE has no infinity",
    "non_updating_cascade": "ON UPDATE CASCADE is done",
    "nullsordering": "no NULLS FIRST",
    "precision_generic_float_type": "FLOAT has six digits",
    "reflects_pk_names": "a primary key has no name",
    "sql_expression_limit_offset": "LIMIT takes numbers only",
    "supports_bitwise_not": "~ gives an unsigned number",
}


class Requirements(SuiteRequirements):  # type: ignore[misc]  # the suite has no types
    """Requirements of the suite, as Vitrail meets them."""

    def get_isolation_levels(self, config: Any) -> dict[str, Any]:
        """The levels that can be set, and the one that sessions begin with."""
        levels = config.db.dialect.get_isolation_level_values(None)
        return {"default": "REPEATABLE READ", "supported": list(levels)}

    def get_order_by_collation(self, config: Any) -> str:  # noqa: ARG002
        """A collation that the suite may order by."""
        return "utf8mb4_bin"


def _declare() -> None:
    # None: MariaDB itself, for comparison.
    shards = int(os.environ["VITRAIL_SUITE_SHARDS"])
    flavour = os.environ.get("VITRAIL_SUITE_FLAVOUR", "mariadb")
    closed = {**ABSENT, **(ABSENT_FROM_MYSQL if flavour == "mysql" else {})}
    if shards:
        closed.update(REQUIREMENTS)
    if shards > 1:
        closed.update(REQUIREMENTS_OVER_SHARDS)
    found = {name: exclusions.open() for name in PRESENT}
    found.update((name, exclusions.fails(reason)) for name, reason in FAILING.items())
    found.update((name, exclusions.skip_if(lambda _: True, reason)) for name, reason in closed.items())
    for name, rule in found.items():
        assert isinstance(getattr(SuiteRequirements, name, None), property), f"the suite asks for no `{name}`"
        setattr(Requirements, name, _property(rule))


def _property(rule: Any) -> property:
    return property(lambda _: rule)


_declare()
