"Tools that make the book: the notebook filter, the site and its link check. The library never imports them."
