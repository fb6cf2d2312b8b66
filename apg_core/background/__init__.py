"""Background removal: RMBG-1.4 (`neural`, with torch), and a classical method for plain backgrounds (`plain`)."""
