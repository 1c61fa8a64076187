"""SQLAlchemy's plugin for pytest, and the exclusions. ``run.py`` starts the servers and says where they are."""

from __future__ import annotations

import os

import pytest
from sqlalchemy_suite.exclusions import TESTS, TESTS_OVER_SHARDS

# Before anything of it is imported.
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin import pytestplugin  # noqa: E402
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403

SHARDS = int(os.environ["VITRAIL_SUITE_SHARDS"])
FLAVOUR = os.environ.get("VITRAIL_SUITE_FLAVOUR", "mariadb")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Registers what the suite asks of the database, before the plugin connects."""
    if SHARDS:
        import sqlalchemy_suite.provision  # noqa: F401

    if SHARDS > 1:
        from sqlalchemy_suite import numbering, views

        numbering.listen()
        views.listen(SHARDS)
    pytestplugin.pytest_sessionstart(session)


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what is excluded. An exclusion that fits no test is an error: lists must not rot."""
    pytestplugin.pytest_collection_modifyitems(session, config, items)
    if not SHARDS:
        return
    excluded = {**TESTS, **(TESTS_OVER_SHARDS if SHARDS > 1 else {})}
    met = set()
    for item in items:
        parent = item.getparent(pytest.Class)
        assert parent is not None
        name = f"{parent.name.partition('_mysql+')[0]}::{item.name}"
        for key in (name, name.partition("[")[0]):
            if key in excluded:
                met.add(key)
                item.add_marker(pytest.mark.skip(reason=excluded[key]))
                break
    # What MySQL cannot do is not collected there.
    complete = FLAVOUR == "mariadb" and not config.getoption("keyword")
    if complete and set(excluded) - met:
        raise pytest.UsageError(f"exclusions of tests that do not exist: {sorted(set(excluded) - met)}")
