"""The task graph: one task, from a person's words to an answer that the team has learned from.

    START
      |
    intake       contract, budgets, done before? ---- known ----> END
      |
    pulse        what the team does now -> context
      |
    recall ----- the same question in the same scope ------------.
      |                                                          |
    planning     domains, tools; one task, or its parts ---.     |
      |                                                    |     |
      |            subtask, several at once (Send) <-------'     |
      |               |      ^                                   |
      |            joining --' the next ones, or others ---------|
      |                                                          |
    bidding <--- retry without the loser --.   nobody can -------|
      |                                    |                     |
    execution    tools, validation --------'   answered ---------|
      |  urgent, or failed twice                                 |
    war_room     seats, sealed votes, ruling                     |
      |                                                          |
    reflection <-------------------------------------------------'
      |   \\____ nobody's success has dropped ----> END
    rewriting    opens a prompt opportunity
      |
     END

It leaves here uncompiled: the server, the command line or a test brings the checkpointer.
"""

from langgraph.graph import START, StateGraph

from graphs.war_room import graph as war_room
from nodes.bidding import bidding
from nodes.execution import execution
from nodes.intake import intake
from nodes.joining import joining
from nodes.planning import planning
from nodes.pulse import pulse
from nodes.recall import recall
from nodes.reflection import reflection
from nodes.rewriting import rewriting
from nodes.states import SubtaskState, TaskInput, TaskOutput, TaskState
from nodes.subtask import subtask
from nodes.wordings import Wordings

graph = (
    StateGraph(TaskState, context_schema=Wordings, input_schema=TaskInput, output_schema=TaskOutput)
    .add_node("intake", intake)
    .add_node("pulse", pulse)
    .add_node("recall", recall)
    .add_node("planning", planning)
    .add_node("subtask", subtask, input_schema=SubtaskState)
    .add_node("joining", joining)
    .add_node("bidding", bidding)
    .add_node("execution", execution)
    .add_node("war_room", war_room.compile())
    .add_node("reflection", reflection)
    .add_node("rewriting", rewriting)
    .add_edge(START, "intake")
    .add_edge("pulse", "recall")
    .add_edge("subtask", "joining")
    .add_edge("war_room", "reflection")
)
