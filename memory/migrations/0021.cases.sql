-- All decisions of one case, for its page: the log itself is text, because it is signed as text.
-- depends: 0010.governance

CREATE INDEX decisions_of_a_case
    ON decisions (substring(body FROM '"correlation_id":"([^"]*)"'), seq);
