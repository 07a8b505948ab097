"""One file per subcommand: ``configure(parser)`` and ``run(options)``. `tagtrail.stack.cli` lists them."""
