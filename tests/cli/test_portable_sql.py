"""The SQL of the stores is of the subset that PostgreSQL, YugabyteDB and CockroachDB have in common.

Every text of src/database that begins with a word of SQL counts, its parts put together. checks.c asks PostgreSQL's
catalogue, too, where another engine may refuse: those statements are optional there."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

BEGINS = r"(?:SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|CREATE|ALTER|DROP|TRUNCATE|LOCK|ANALYZE|VACUUM|DO|CALL|SET|LISTEN|NOTIFY)\b"

# Patterns of SQL that are refused, and the reasons.
REFUSED = [
    (r"\bpg_(?:try_)?advisory_|\bpg_advisory", "advisory locks: CockroachDB has stubs; a lease row does it"),
    (r"\blo_(?:create|open|import|put|get|unlink|from_bytea)|\boid\b|pg_largeobject", "large objects: neither engine has them"),
    (r"\bTRIGGER\b", "triggers: late and partial in CockroachDB, slow in YugabyteDB"),
    (r"\bFUNCTION\b|\bPROCEDURE\b|\bLANGUAGE\b|\$\$", "functions: PL/pgSQL differs, or is missing"),
    (r"^(?:DO|CALL)\b", "anonymous blocks and procedures can commit by themselves"),
    (r"(?:^|;\s*)(?:LISTEN|NOTIFY|UNLISTEN)\b|\bpg_notify\b", "a global lock at commit; CockroachDB has none"),
    (r"\bTEMP(?:ORARY)?\b|\bUNLOGGED\b", "temporary tables: experimental in CockroachDB, slow in YugabyteDB"),
    (r"\bSET\s+STORAGE\b|\bSTORAGE\b|\bFILLFACTOR\b|\bWITH\s*\(\s*(?:fillfactor|autovacuum)", "storage options are PostgreSQL's own"),
    (r"\w SERIAL\b(?! BIGINT)|\bBIGSERIAL\b|\bSEQUENCE\b|\bGENERATED\b|\bnextval\b", "sequences are a hot spot, and have gaps: ids are UUIDs"),
    (r"\bEXCLUDE\b|\bUSING\s+(?:gist|gin|brin|hash|spgist)\b", "kinds of indexes and constraints that others lack"),
    (r"\bctid\b|\bxmin\b|\bxmax\b|\btxid_|\bpg_current_xact", "system columns are PostgreSQL's own"),
    (r"\bLOCK\s+TABLE\b|^LOCK\b|\bVACUUM\b|\bCLUSTER\b|\bREINDEX\b", "CockroachDB has none of them"),
    (r"\bMERGE\b|\bTABLESAMPLE\b|\bDISTINCT\s+ON\b.*\bFOR\s+UPDATE\b", "missing, or recent"),
    (r"\bSERIALIZABLE\b|\bREPEATABLE\b|\bISOLATION\b", "the stores are for READ COMMITTED"),
    (r"\bFOREIGN\s+KEY\b|\bREFERENCES\b", "foreign keys lock the other row at each insertion"),
    (r"\bRULE\b|\bMATERIALIZED\s+VIEW\b|\bINHERITS\b|\bEXTENSION\b|\bDOMAIN\b|\bCREATE\s+TYPE\b", "other engines lack them"),
    (r"\bINTO\s+STRICT\b|\bRAISE\b|\bPERFORM\b", "PL/pgSQL"),
    (r"\bDEFERRABLE\b|\bCONCURRENTLY\b", "CockroachDB ignores or lacks them; IF NOT EXISTS is enough"),
]

# The functions that all three engines have, with these arguments.
FUNCTIONS = set(
    "now clock_timestamp extract greatest least coalesce nullif count sum min max bool_or bool_and unnest length"
    " octet_length octets substring substr lpad lower upper encode decode row_number cardinality date_trunc to_timestamp"
    " gen_random_uuid md5 sha256 abs ceil floor random array_agg string_agg generate_series set_byte set_config".split()
)

# Words before a parenthesis that are no functions.
WORDS = set(
    "in values any all exists as on conflict key and or not where set returning over partition by from join select"
    " table index into using with when then else limit order group union case numeric interval check primary unique"
    " insert materialized array row filter cast distinct recursive only default".split()
)


def literals(text):
    """The texts of a C file, adjacent ones put together, with the macros between them as names."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    part = r'"(?:\\.|[^"\\])*"'
    for found in re.finditer(rf"{part}(?:\s*(?:[A-Z_]{{4,}}\s*)?{part})*", text):
        yield "".join(
            re.sub(r"\\(.)", r"\1", piece[1:-1]) if piece.startswith('"') else " 1 "
            for piece in re.findall(rf"{part}|[A-Z_]{{4,}}", found[0])
        )


def statements_of(path):
    return [text for text in literals(path.read_text()) if re.match(BEGINS, text)]


FILES = sorted((TOP / "src/database").rglob("*.c"))


def refusals(sql):
    found = [reason for pattern, reason in REFUSED if re.search(pattern, sql, re.I)]
    bare = re.sub(r"'(?:[^']|'')*'", "''", sql)
    names = {name.lower() for name in re.findall(r"\b([a-z_][a-z_0-9]*)\s*\(", bare, re.I)}
    tables = {name.lower() for name in re.findall(r"(?:INTO|TABLE(?: IF NOT EXISTS)?|ON|AS|WITH|,)\s+([a-z_0-9]+)\s*\(", bare, re.I)}
    found += [f"the function {name}: not known to be in all engines" for name in sorted(names - tables - WORDS - FUNCTIONS)]
    return found


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "checks.c"], ids=lambda path: path.name)
def test_statements_are_portable(path):
    for sql in statements_of(path):
        assert not refusals(sql), sql
        if re.match(r"CREATE TABLE", sql):
            assert "PRIMARY KEY" in sql and re.match(r"CREATE TABLE IF NOT EXISTS weir_", sql), sql
        if re.match(r"CREATE\b.*\bINDEX", sql):
            assert re.match(r"CREATE (?:UNIQUE )?INDEX IF NOT EXISTS weir_", sql), sql


def test_checks_of_other_engines_are_optional():
    text = (TOP / "src/database/checks.c").read_text()
    for entry in re.findall(r"\{NULL,\s*((?:\"(?:\\.|[^\"\\])*\"\s*)+),\s*(true|false)\}", text):
        assert entry[1] == "true", entry[0]
    assert len(statements_of(TOP / "src/database/checks.c")) >= 5


def test_statements_are_found():
    found = [sql for path in FILES for sql in statements_of(path)]
    assert len(found) > 20
    assert any(sql.startswith("INSERT INTO weir_snapshot") and "clock_timestamp(" in sql for sql in found)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_lock(1)",
        "SELECT lo_create(0)",
        "CREATE TRIGGER a BEFORE INSERT ON b EXECUTE FUNCTION c()",
        "DO $$ BEGIN END $$",
        "SELECT pg_notify('a', '')",
        "LISTEN a",
        "CREATE TEMP TABLE weir_a (a int PRIMARY KEY)",
        "ALTER TABLE weir_a ALTER b SET STORAGE EXTERNAL",
        "CREATE TABLE IF NOT EXISTS weir_a (a serial PRIMARY KEY)",
        "SELECT ctid FROM weir_user",
        "LOCK TABLE weir_user",
        "SELECT a FROM weir_user WHERE jsonb_path_exists(a, 'x')",
    ],
)
def test_what_others_lack_is_refused(sql):
    assert refusals(sql)
