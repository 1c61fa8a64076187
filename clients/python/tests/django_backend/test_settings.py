"""Settings as URLs, and URLs as settings; what the backend imports."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django_backend.connecting import EMPTY

import vitrail
from vitrail.django import database
from vitrail.django.client import DatabaseClient
from vitrail.django.parameters import parameters


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"NAME": "flights"}, "vitrail:///flights"),
        ({"NAME": "flights:-80@replica", "HOST": "a", "PORT": 15301}, "vitrail://a:15301/flights%3A-80%40replica"),
        (
            {"HOST": "a:1, b,[::1]:2,::1", "PORT": "9", "USER": "me", "PASSWORD": "a@b/"},
            "vitrail://me:a%40b%2F@a:1,b:9,[::1]:2,[::1]:9/",
        ),
        ({"HOST": "/run/vitrail.sock", "PORT": "9", "USER": "me"}, "vitrail://me@%2Frun%2Fvitrail.sock/"),
        ({"HOST": "a", "OPTIONS": {"tls": "require", "query_timeout": 2.5}}, "vitrail://a/?tls=require&query_timeout=2500ms"),
    ],
)
def test_settings_as_url(given: dict[str, Any], url: str) -> None:
    found = parameters({**EMPTY, **given})
    assert found.url == url
    vitrail.config.configure(found.url)
    assert found.options == {"variables": {"transaction_isolation": "'READ-COMMITTED'"}}


@pytest.mark.parametrize(
    "url",
    [
        "vitrail://me:a%40b@a:15300,[::1]:2/flights?tls=verify-ca&ca=%2Fetc%2Fca.pem&connect_timeout=1500ms",
        "vitrail://me@%2Frun%2Fvitrail.sock/flights%3A-80",
    ],
)
def test_a_url_as_settings(url: str) -> None:
    again = vitrail.config.configure(parameters({**EMPTY, **database(url)}).url)
    once = vitrail.config.configure(url)
    assert {**vars(again), "instance": ""} == {**vars(once), "instance": ""}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tsl": "require"}, "unknown option `tsl`; did you mean `tls`"),
        ({"isolation": "serializable"}, "did you mean `isolation_level`"),
        ({"isolation_level": "none"}, "Invalid transaction isolation level 'none'"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text):
        parameters({**EMPTY, "OPTIONS": options})


def test_a_wrong_url_is_named() -> None:
    with pytest.raises(vitrail.InterfaceError, match="did you mean `tls`"):
        database("vitrail://a/flights?tsl=require")


def test_the_shell_gets_the_password_by_its_environment() -> None:
    arguments, environment = DatabaseClient.settings_to_cmd_args_env(
        {**EMPTY, "NAME": "shop", "USER": "me", "PASSWORD": "x"}, ["-e", "DO 0"]
    )
    assert arguments == ["vitrail", "sql", "-e", "DO 0"]
    assert environment == {"VITRAIL_URL": "vitrail://me:x@/shop"}


@pytest.mark.parametrize("program", ["vitrail, vitrail.aio", "vitrail.django"])
def test_nothing_imports_django_unasked(program: str) -> None:
    code = f"import sys, {program}; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_mysql_drivers_are_left_alone() -> None:
    """Django's own MySQL backend, in the same process, gets the MySQLdb that is there, before and after."""
    code = """
import sys, pymysql
import vitrail.django.base
assert "MySQLdb" not in sys.modules and "django.db.backends.mysql.base" not in sys.modules
pymysql.install_as_MySQLdb()
import django.db.backends.mysql.base as own
assert own.Database is pymysql and own.DatabaseWrapper.Database is pymysql
assert vitrail.django.base.DatabaseWrapper.Database is vitrail
assert not issubclass(vitrail.django.base.DatabaseWrapper, own.DatabaseWrapper)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
