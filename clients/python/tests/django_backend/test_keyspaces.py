"""Sharded keyspaces, and keyspaces for tests, as the Django backend takes them."""

from __future__ import annotations

import re

import pytest
from django.db import NotSupportedError, models
from django_backend.connecting import open_connection, rows
from support.servers import Gate


class Order(models.Model):
    """A row of the sharded table that every gate of the tests has."""

    note = models.CharField(max_length=100)

    class Meta:
        app_label, db_table, managed = "shop", "orders", False


class Item(models.Model):
    """A row that refers to another one."""

    order = models.ForeignKey(Order, models.CASCADE)

    class Meta:
        app_label = "shop"


@pytest.mark.parametrize(("target", "constrained"), [("shop", False), ("main", True)])
def test_a_foreign_key_has_an_index_where_it_is_no_constraint(gate: Gate, target: str, constrained: bool) -> None:
    wrapper = open_connection(gate, target)
    with wrapper.schema_editor(collect_sql=True) as editor:
        editor.create_model(Item)
    written = "\n".join(editor.collected_sql)
    assert "CREATE TABLE `shop_item`" in written
    assert ("FOREIGN KEY (`order_id`)" in written) is constrained
    # MySQL makes that of a constraint by itself.
    assert (re.search(r"CREATE INDEX \S+ ON `shop_item` \(`order_id`\)", written) is None) is constrained
    wrapper.close()


def test_explain(gate: Gate) -> None:
    sharded = open_connection(gate, "shop", "other")
    query = Order.objects.using("other").filter(note="x")
    plan = query.explain()
    assert "over shards" in plan and plan == query.explain(format="vitrail")
    assert "EXPLAIN ANALYZE FORMAT=VITRAIL" in sharded.ops.explain_query_prefix(analyze=True)
    Order.objects.using("other").update_or_create(pk=1, defaults={"note": "x"})
    assert "orders" in query.filter(pk=1).explain(format="JSON")
    with pytest.raises(NotSupportedError, match="EXPLAIN FORMAT=VITRAIL"):
        query.explain(format="JSON")
    with pytest.raises(ValueError, match="Unknown options: verbose"):
        query.explain(verbose=True)
    sharded.close()
    unsharded = open_connection(gate)
    assert unsharded.ops.explain_query_prefix() == "EXPLAIN"
    assert unsharded.ops.explain_query_prefix("text") == "EXPLAIN FORMAT=TRADITIONAL"
    unsharded.close()


@pytest.mark.parametrize(("target", "sharded"), [("shop", True), ("shop:-80", False), ("main", False)])
def test_a_sharded_keyspace_is_recognised(gate: Gate, target: str, sharded: bool) -> None:
    wrapper = open_connection(gate, target)
    assert wrapper.is_sharded is sharded
    assert wrapper.features.supports_foreign_keys is not sharded
    assert wrapper.features.can_return_columns_from_insert is not sharded
    assert wrapper.features.can_return_rows_from_bulk_insert is not sharded
    wrapper.close()


# === databases for tests ===


def test_a_keyspace_for_tests_is_emptied(gate_of_tests: Gate) -> None:
    wrapper = open_connection(gate_of_tests)
    wrapper.is_sharded = True
    inside = open_connection(gate_of_tests, "test_main", "other")
    rows(inside, "CREATE TABLE parent (id INT PRIMARY KEY)")
    rows(inside, "CREATE TABLE child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES parent (id))")
    rows(inside, "CREATE VIEW seen AS SELECT id FROM parent")
    assert wrapper.creation._create_test_db(0, autoclobber=True, keepdb=True) == "test_main"
    assert not wrapper.is_sharded
    assert len(rows(inside, "SHOW TABLES")) == 3
    wrapper.creation._create_test_db(0, autoclobber=True)
    assert rows(inside, "SHOW TABLES") == []
    rows(inside, "CREATE TABLE made_by_tests (id INT PRIMARY KEY)")
    wrapper.creation._destroy_test_db("test_main", 0)
    assert rows(inside, "SHOW TABLES") == []
    with pytest.raises(NotImplementedError):
        wrapper.creation._clone_test_db("1", 0)
    inside.close()
    wrapper.close()


def test_a_keyspace_for_tests_has_to_exist(gate: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    wrapper = open_connection(gate)
    with pytest.raises(SystemExit):
        wrapper.creation._create_test_db(0, autoclobber=True)
    assert "It has to exist" in capsys.readouterr().err
    wrapper.close()
