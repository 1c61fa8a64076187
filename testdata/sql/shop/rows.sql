INSERT INTO country VALUES ('DE', 'Germany', 'Europe', 83200000), ('FR', 'France', 'Europe', 68000000), ('CH', 'Switzerland', 'Europe', 8800000),
  ('US', 'United States', 'America', 334000000), ('BR', 'Brazil', 'America', 203000000), ('JP', 'Japan', 'Asia', 124000000),
  ('IN', 'India', 'Asia', 1428000000), ('AQ', 'Antarctica', NULL, NULL), ('XX', 'Nowhere', NULL, 18446744073709551615);
