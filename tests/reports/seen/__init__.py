"""The words for whether models saw an image itself."""
