"""The war room: several experts, unseen by each other, and one ruling.

    START
      |
    seats      3 to 5 members of different departments and model families
      |
    vote  <-.  sealed answers, strongest first,
      |  \\__|  until no vote can change the winner
    ruling     weighted votes; too few members rule nothing
      |
     END

It stands alone, and as the node `war_room` of the task graph.
"""

from langgraph.graph import START, StateGraph

from nodes.ruling import ruling
from nodes.seats import seats
from nodes.states import RoomInput, RoomState
from nodes.vote import vote

graph = (
    StateGraph(RoomState, input_schema=RoomInput)
    .add_node("seats", seats)
    .add_node("vote", vote)
    .add_node("ruling", ruling)
    .add_edge(START, "seats")
    .add_edge("seats", "vote")
)
