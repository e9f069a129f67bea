CREATE TABLE "TABLENAME" (
	revision int8 NOT NULL,
	deadline timestamptz NOT NULL,
	due timestamptz NOT NULL,
	id text COLLATE "C" NOT NULL,
	owner text COLLATE "C",
	data bytea NOT NULL,
	CONSTRAINT "TABLENAME_pkey" PRIMARY KEY (id)
) WITH (fillfactor = 90);
CREATE INDEX "TABLENAME_due" ON "TABLENAME" (due);
CREATE INDEX "TABLENAME_owner" ON "TABLENAME" (owner, id) WHERE owner IS NOT NULL;
COMMENT ON TABLE "TABLENAME" IS 'sojourn schema 1';
INSERT INTO "TABLENAME" VALUES (-81985529216486896, now() + interval '1 day', date_trunc('hour', now() + interval '2 days'),
	'Kept_by-the.first', 'Zoë', '\x636166c3a900');
