"""A fit as an animation: a GIF, or a page of HTML with a slider."""
