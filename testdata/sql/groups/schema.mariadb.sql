-- Collations that MariaDB alone has.

CREATE TABLE word (
    id BIGINT NOT NULL PRIMARY KEY,
    loose VARCHAR(40) COLLATE utf8mb4_uca1400_ai_ci,
    strict VARCHAR(40) COLLATE utf8mb4_unicode_nopad_ci,
    old VARCHAR(40) COLLATE utf8mb4_unicode_520_ci,
    plain CHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci
) DEFAULT CHARACTER SET utf8mb4;
