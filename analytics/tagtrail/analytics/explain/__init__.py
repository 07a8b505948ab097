"""``tagtrail analyze explain``: why these visits were told of one tag, as a page and as text."""
