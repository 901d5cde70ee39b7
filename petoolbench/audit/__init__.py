"""What a benchmark of personalized tool calls really measures, and what it gives away."""
