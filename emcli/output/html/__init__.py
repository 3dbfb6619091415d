"""Pages of HTML: reports, and animations with controls; each one file that needs no other."""
