"""``manage.py dbshell``: the shell of Vitrail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import mysql
from .parameters import parameters as read

if TYPE_CHECKING:
    from collections.abc import Iterable


class DatabaseClient(mysql.DatabaseClient):
    """Runs ``vitrail sql``."""

    executable_name = "vitrail"

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Its arguments, and the environment, which has the URL with the password."""
        return [cls.executable_name, "sql", *parameters], {"VITRAIL_URL": read(settings_dict).url}
