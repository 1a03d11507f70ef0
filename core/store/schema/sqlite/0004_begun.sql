-- SPDX-License-Identifier: Apache-2.0
-- How far the owner of a lane may have run its events when it dies: what a node must not do twice
-- is told so (maybe_begun).

ALTER TABLE source_position ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
