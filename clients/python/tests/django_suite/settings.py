"""Django's settings for its own tests: where the databases are comes from ``run.py``."""

from __future__ import annotations

import json
import os

#: Entries of DATABASES, as ``run.py`` gives them.
DATABASES = json.loads(os.environ["VITRAIL_SUITE_DATABASES"])

if any(entry["ENGINE"] == "django.db.backends.mysql" for entry in DATABASES.values()):
    import pymysql

    pymysql.install_as_MySQLdb()

SECRET_KEY = "of the tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "django_suite.runner.Runner"
