"""The course as a book: a static site of all lessons whose widgets run in the page, and slides of each lesson."""
