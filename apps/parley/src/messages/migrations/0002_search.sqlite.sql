-- The index of messages by their words; its rows are messages by `seq`. Small pages make short steps through its lists.
CREATE VIRTUAL TABLE message_search USING fts5(text, place UNINDEXED, content='', contentless_delete=1,
    contentless_unindexed=1, detail=none, tokenize="ascii tokenchars '_'");

INSERT INTO message_search (message_search, rank) VALUES ('pgsz', 1000);
