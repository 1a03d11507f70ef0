-- SPDX-License-Identifier: Apache-2.0
-- A row whose key is taken by one that is not the same (commit_row's "key;same"). Of any type, so
-- that it stands where a value of the row would.

CREATE FUNCTION catalyst_refuse(value anyelement, reason text) RETURNS anyelement LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = reason;
END $$;
