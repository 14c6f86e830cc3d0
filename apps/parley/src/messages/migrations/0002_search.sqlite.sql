-- The index of messages by their words; its rows are messages by `seq`.
CREATE VIRTUAL TABLE message_search USING fts5(scope, text, content='', contentless_delete=1, tokenize='unicode61');
