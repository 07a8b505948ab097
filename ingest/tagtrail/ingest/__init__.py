"""MQTT to database: every batch once, whatever is killed when."""
