from agora.domain import errors
from agora.domain.errors import AgoraError, BudgetSpentError, ClaimHeldError, SettingsError


def family(kind: type[AgoraError]) -> list[type[AgoraError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in family(below))]


def test_an_error_has_a_name_for_readers_of_json() -> None:
    assert ClaimHeldError("x").code == "claim_held"
    assert BudgetSpentError("x").code == "budget_spent"


def test_a_hint_says_what_to_do_about_it() -> None:
    error = SettingsError("what is wrong", "what to do")
    assert (str(error), error.hint) == ("what is wrong", "what to do")
    assert AgoraError("x").hint == ""


def test_every_error_ends_in_an_exit_code_that_is_documented() -> None:
    codes = {kind.__name__: kind.exit_code for kind in family(AgoraError)}
    assert set(codes.values()) <= {1, 2, 3, 4}
    assert codes["SettingsError"] == codes["WorkspaceError"] == codes["DatabaseError"] == 2
    assert codes["RefusedError"] == codes["BudgetSpentError"] == 4
    assert codes["ClaimHeldError"] == codes["NobodyCanError"] == 1


def test_names_are_unlike() -> None:
    kinds = [kind for kind in family(AgoraError) if kind.__module__ == errors.__name__]
    assert len({kind.__new__(kind).code for kind in kinds}) == len(kinds)
    assert all(kind.__name__.endswith("Error") and kind.__doc__ for kind in kinds)
