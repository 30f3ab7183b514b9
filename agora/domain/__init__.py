"""What tasks, bids, acts and changes are, in plain Python: no LangGraph, no database, no clock."""
