"""The war room: several experts, unseen by each other, and one ruling.

    START
      |
    seats      3 to 5 members of other models, families and departments; who only harms is left out
      |
    vote  <-.  sealed answers, strongest first, as many at once as must be heard anyway,
      |  \\__|  until no vote can change the winner
      |\\
      | evidence   only where they disagree: one round of arguments without names
      |/    |
      |  judging   still open: a family that is not at the table chooses
      |/
    ruling     weighted votes; else a person (interrupt), or no consensus
      |
     END

It stands alone, and as the node `war_room` of the task graph.
"""

from langgraph.graph import START, StateGraph

from nodes.evidence import evidence
from nodes.judging import judging
from nodes.ruling import ruling
from nodes.seats import seats
from nodes.states import RoomInput, RoomState
from nodes.vote import vote

graph = (
    StateGraph(RoomState, input_schema=RoomInput)
    .add_node("seats", seats)
    .add_node("vote", vote)
    .add_node("evidence", evidence)
    .add_node("judging", judging)
    .add_node("ruling", ruling)
    .add_edge(START, "seats")
    .add_edge("seats", "vote")
    .add_edge("judging", "ruling")
)
