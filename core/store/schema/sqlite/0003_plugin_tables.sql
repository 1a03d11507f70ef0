-- SPDX-License-Identifier: Apache-2.0
-- Tables of plugins: which of their steps were applied here.

CREATE TABLE plugin_migration (
    plugin     TEXT NOT NULL,
    number     INTEGER NOT NULL,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    checksum   TEXT NOT NULL, -- of the step's text: CRC-32C and length
    PRIMARY KEY (plugin, number)
);
