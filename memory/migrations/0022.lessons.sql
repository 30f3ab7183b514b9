-- Lessons keep of a candidate what is weighed: cost, and how many of its line and context it follows.
-- depends: 0021.cases

CREATE FUNCTION narrowed(lesson jsonb) RETURNS jsonb RETURN lesson - 'contexts' || (
    SELECT jsonb_build_object('rows', jsonb_agg(
        jsonb_build_array(shape -> 0, shape -> 4, shape -> 5) ORDER BY place))
    FROM jsonb_array_elements(lesson -> 'rows') WITH ORDINALITY AS candidates (shape, place));
UPDATE solutions SET lesson = narrowed(lesson) WHERE lesson ? 'contexts';
UPDATE changes
SET evidence = jsonb_set(
    evidence, '{solution,lesson}', narrowed(evidence #> '{solution,lesson}'))
WHERE evidence #> '{solution,lesson}' ? 'contexts';
DROP FUNCTION narrowed;
