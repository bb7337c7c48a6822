"""The dashboards of office365-source, for Grafana."""
