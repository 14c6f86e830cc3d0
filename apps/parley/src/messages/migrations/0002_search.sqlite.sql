-- The index of messages by their words; its rows are messages by `seq`. Accents count, as they do on every other database.
CREATE VIRTUAL TABLE message_search USING fts5(scope, text, place UNINDEXED, content='', contentless_delete=1,
    contentless_unindexed=1, tokenize='unicode61 remove_diacritics 0');
