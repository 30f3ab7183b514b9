"""What people and programs meet over HTTP: pages, probes, and the team as an MCP server."""
