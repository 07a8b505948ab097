"""The agent beside the readers: serial link, session, window, spool, publisher, health."""
