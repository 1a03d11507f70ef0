-- SPDX-License-Identifier: Apache-2.0
-- Tables of plugins: which of their steps were applied here, and how their rows are refused.

CREATE TABLE plugin_migration (
    plugin     text NOT NULL,
    number     integer NOT NULL,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    checksum   text NOT NULL,  -- of the step's text: CRC-32C and length
    PRIMARY KEY (plugin, number)
);

-- Which rows of a statement the tables refuse: what passes as a whole has none, what does not is halved.
-- A row that was accepted stays while the rest is tried, as it would in the statement: two withdrawals that
-- overdraw only together have one guilty, the later.
DROP FUNCTION catalyst_bad_rows(text, jsonb);
CREATE FUNCTION catalyst_bad_rows(statement text, entries jsonb)
RETURNS TABLE (entry integer, reason text) LANGUAGE plpgsql AS $$
DECLARE
    each_  jsonb[];
    starts integer[] := ARRAY[1];
    ends   integer[];
    top    integer := 1; -- of the ranges still to be tried
    a      integer;
    z      integer;
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT array_agg(value ORDER BY ordinality) INTO each_
        FROM jsonb_array_elements(entries) WITH ORDINALITY;
    ends[1] := coalesce(array_length(each_, 1), 0);
    WHILE top > 0 LOOP
        a := starts[top];
        z := ends[top];
        top := top - 1;
        CONTINUE WHEN z < a;
        BEGIN
            EXECUTE statement USING to_jsonb(each_[a:z]);
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE !~ '^(0A|0L|21|22|23|42|44|P0)' THEN
                RAISE; -- not the row's fault
            END IF;
            IF a = z THEN
                entry := a - 1;
                reason := SQLERRM;
                RETURN NEXT;
            ELSE -- the first half lies on top, so that it is tried first
                starts[top + 1] := (a + z) / 2 + 1;
                ends[top + 1] := z;
                starts[top + 2] := a;
                ends[top + 2] := (a + z) / 2;
                top := top + 2;
            END IF;
        END;
    END LOOP;
END $$;
