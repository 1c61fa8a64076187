"""Error codes."""


def codes():
    table = """invalid 1064 42000 0|data 1366 HY000 0|constraint 1062 23000 0|not_found 1146 42S02 0|unsupported 1235 42000 0|unauthenticated 1045 28000 0
denied 1142 42000 0|too_large 1153 08S01 0|exhausted 1203 42000 1|throttled 61001 HY000 1|unavailable 61002 08S01 1|draining 1053 08S01 1
deadline 3024 HY000 0|cancelled 1317 70100 0|skipped 61003 HY000 0|conflict 1213 40001 1|tx_lost 61004 40000 0|session_lost 61005 08S01 1
outcome_unknown 61006 08007 0|protocol 61007 08S01 0|internal 61000 HY000 0"""
    rows_ = [line.split() for line in table.replace("\n", "|").split("|")]
    return [{"code": code, "errno": int(errno), "sqlstate": state, "retryable": retry == "1"} for code, errno, state, retry in rows_]
