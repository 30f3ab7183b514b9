"""Finding what is wrong in a workspace, and a patch that its tests accept."""
