"""The public look-up pages: translate a question to the look-up and its answer to a page."""
