-- Collations that MySQL alone has.

CREATE TABLE word (
    id BIGINT NOT NULL PRIMARY KEY,
    loose VARCHAR(40) COLLATE utf8mb4_0900_ai_ci,
    strict VARCHAR(40) COLLATE utf8mb4_0900_as_cs,
    old VARCHAR(40) COLLATE utf8mb4_unicode_520_ci,
    plain CHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci
) DEFAULT CHARACTER SET utf8mb4;
