"""The improvement graph: one workspace, from something that could be better to a watched commit.

    START
      |
    detecting      claims an opportunity ---- all is well ----> END
      |        \\   (what is proved already, such as a prompt, goes straight to approval)
      |        \\
      |         monitoring   a watch has raised an alarm: taken back by the same door -> END
      |
    investigating  what fails, where, with which inputs
      |
    improving <--. search and experts; for all failures, then for one place after another -> END
      |  \\       |
      |   convening  after two in vain a war room meets on the report -> improving
      |          |
    testing -----' the gate reads it; its tests fail before and pass after
      |    \\____ approved before, on another base ----.
      |                                                |
    approval       interrupt(): a person sees it       |   rejected -> END, edited -> testing
      |                                                |
    deploying <---------------------------------------'    moved base -> testing
      |
     END           from here its watch counts every outcome
"""

from langgraph.graph import START, StateGraph

from nodes.approval import approval
from nodes.convening import convening
from nodes.deploying import deploying
from nodes.detecting import detecting
from nodes.improving import improving
from nodes.investigating import investigating
from nodes.monitoring import monitoring
from nodes.states import ImprovementInput, ImprovementState
from nodes.testing import testing

graph = (
    StateGraph(ImprovementState, input_schema=ImprovementInput)
    .add_node("detecting", detecting)
    .add_node("investigating", investigating)
    .add_node("improving", improving)
    .add_node("convening", convening)
    .add_node("testing", testing)
    .add_node("approval", approval)
    .add_node("deploying", deploying)
    .add_node("monitoring", monitoring)
    .add_edge(START, "detecting")
    .add_edge("investigating", "improving")
    .add_edge("convening", "improving")
)
