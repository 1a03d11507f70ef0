-- SPDX-License-Identifier: Apache-2.0
-- The state of an execution that waits is a few kilobytes of JSON, which the server's own compression
-- spends more time on than on all else of the row. A server without lz4 keeps its own.

DO $$ BEGIN
    EXECUTE 'ALTER TABLE execution ALTER state SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
    NULL;
END $$;
